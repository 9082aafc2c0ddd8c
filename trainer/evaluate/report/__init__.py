"""A comparison as one HTML file that needs nothing else."""

from trainer.evaluate.report.page import write_report

__all__ = ["write_report"]
