"""lamlam: Limited Memory Language Models (arXiv 2505.15962), which keep their facts in a database."""
