"""The request front: a REST API on API Gateway, and the workflow behind it, without a server.

endpoints.py            the endpoints: paths, documents, which template answers which status
templates/*.vtl         the mapping templates (Velocity), one file each
workflow/machine.py     the Express workflow that a POST runs: row, message, wait, answer
workflow/answers.py     what that workflow answers
workflow/stack.py       `infra/workflow.yaml`, generated from both
registry.py             get, register, validate, integration_config
rendering.py            a Velocity engine with API Gateway's variables: what AWS would make of a template
checking.py             renders a template with sample and hostile input and reads the result back
models.py               our JSON Schemas as the draft-4 models that API Gateway enforces
gateway_responses.py    what API Gateway answers itself: no key, too many requests, invalid body
rest_api.py             the API of them as CloudFormation resources, what a deployment is a snapshot of
stage.py                stage, limits, usage plans and keys, as resources
partners_stack.py       `infra/partners.yaml`: partners' topics
partners.py             `infra/partners.json`: whose keys there are, how much each may
roles.py                roles, as resources
cloudformation.py       `infra/api.yaml`, generated from all of the above
yaml_text.py            how the generated templates are written
openapi/examples.py     answers as examples in it
openapi/results.py      the result document in it
openapi/document.py     the OpenAPI document for partners
openapi/answers.py      its schemas of answers

Belongs here: what the request front is. Stays out: the rules of a request (`domain/requests/`), what becomes of a
message (`pipeline/partner/intake.py`), running the front on this machine (`local/`).
"""
