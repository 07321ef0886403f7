"""Dockerfiles: bytes to stages and instructions, and shell commands to the simple commands in them. Nothing is run."""

from __future__ import annotations

from driftscan.dockerfile.model import Directive, Dockerfile, Expanded, Heredoc, Instruction, Stage, Step
from driftscan.dockerfile.parse import parse

__all__ = ["Directive", "Dockerfile", "Expanded", "Heredoc", "Instruction", "Stage", "Step", "parse"]
