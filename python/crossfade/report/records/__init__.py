"""What the page is drawn from beside a comparison: each record checked, cleaned and cut to what is shown."""
