"""What partners may ask for, and how a request is judged before anything is paid for.

*.json              the documents (JSON Schema draft-07) that partners, API Gateway and we share
schemas.py          reads them          formats.py, callback_urls.py    what a pattern cannot say
json_shape.py       is it safe to look at?          text_checks.py      characters
cost_guard.py       tokens, and how many are too many
normalisation.py    defaults, one spelling          duplicates.py       items asked for twice
problems.py         errors and warnings in words    validation.py       `validate`: all of the above
envelope.py         from a queue message to a request, or the reason why not
queues.py           which queues there are and where a request goes
states.py           which states may follow which      claims.py        who may work at a request
results.py          what a partner gets
"""
