"""The stack file as a whole: sections, profiles, images, and the report of mistakes."""
