"""From a plan to answers: calls, a run's analyses asked together or as a batch job, and what is written meanwhile."""
