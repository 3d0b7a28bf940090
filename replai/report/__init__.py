"""Floor 3: tables and pictures, from files alone."""
