"""A model pursuing a goal, one leg at a time. It asks; only the gate acts.

    prompt     the few sentences the model is told
    toolset    our tools in the model's eyes
    turns      what a model said, as data: its calls, strictly parsed, under our own ids
    talk       the conversation, folded from the journal, and the shapes it is kept in
    observe    what the model is told about what really happened
    asking     one request to a model, with bounded patience
    models     names of models to models
    scripted   the model port as a Pydantic AI model
    loop       the leg
    gated      the same gate for a person's own Pydantic AI agent

Importing this package brings in no third-party module; the files inside need pydantic_ai.
"""
