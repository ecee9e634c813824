"""Measuring: one streamed request (`stream`), and a plan of many (`bench`)."""
