"""What calls may cost and have cost: estimates, budgets, what is booked, the brake."""
