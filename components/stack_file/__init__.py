"""The stack file as a whole: profiles, rules between sections, images, and the target that it chooses."""
