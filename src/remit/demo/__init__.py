"""`remit demo`: a job in a messy folder, a model that is a script, and everything else real. It checks every promise it shows.

    folder     the messy folder, made by code, the same each time
    script     what the model says, turn by turn
    child      the process that pursues the goal, and is killed
    show       the whole of it, from the banner to the last word
    stage      the parent: starts and kills, plays the person, takes everything back
    telling    what the journal says, for a person who watches
    screen     a terminal or a pipe
    numbers    what happened, counted from the journal
    promises   what must hold at the end
    seal       one checksum over a folder

No product code lives here, and nothing here is used by the product.
"""
