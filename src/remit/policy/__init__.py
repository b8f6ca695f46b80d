"""Judgement: facts in, the least human involvement out. Pure."""
