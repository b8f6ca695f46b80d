"""A browser of its own: pages are read, forms are filled, and what a page would send is held until it may go."""
