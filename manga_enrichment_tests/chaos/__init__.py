"""The instrument that breaks what lies between the product and its services, and judges what is left."""
