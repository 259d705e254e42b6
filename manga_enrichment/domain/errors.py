"""The error of a wrong setting: whoever runs the house mends it, nobody waits it out."""


class ConfigurationError(Exception):
    """A setting or the surroundings are wrong: one sentence that names the setting and the fix."""
