"""What the two functions are made of: each module one noun, imports in one direction."""
