"""Tests of sources; servers on loopback stand for the world."""
