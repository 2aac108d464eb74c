"""What a stack file may say as a whole: sections, profiles, quantities, and the report of mistakes."""
