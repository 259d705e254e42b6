"""The documents that models are asked in: Converse and Claude's messages, and what bedrock-runtime refuses."""
