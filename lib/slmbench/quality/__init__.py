"""Quality: what is to be judged, who judged it how, and how far those who judge agree."""
