"""The API's paths, a file for each thing that is asked for."""
