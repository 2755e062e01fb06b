"""Pages of HTML with charts in SVG, for reports. They know nothing of what they show."""
