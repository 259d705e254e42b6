"""What a prompt's parts take of its input tokens and cost, beside an earlier commit's."""
