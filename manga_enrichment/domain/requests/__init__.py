"""What partners may ask for, and how a request is judged before anything is paid for.

*.json                  the documents (JSON Schema draft-07) that partners, API Gateway and we share
schemas.py              reads them
reading/envelope.py     from a queue message to a request, or the reason why not
reading/                safe to look at? characters, what a pattern cannot say, one spelling, items asked for twice
callback_urls.py        which URLs may be called back
asked_models.py         of which model an item would be asked
cost_guard.py           tokens, and how many are too many
policies.py             what each partner may
problems.py             errors and warnings in words
validation.py           `validate`: all of the above
queues.py               which queues there are and where a request goes
states.py               which states may follow which
claims.py               who may work at a request
results.py              what a partner gets
"""
