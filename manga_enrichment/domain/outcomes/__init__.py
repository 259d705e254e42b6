"""What became of a call or a title: error classes, attempts, answers, retries."""
