"""What leaves for partners and operators: callbacks, mail, topics."""
