"""The web page, for people: a picture or words in, images and answers out. Built with Gradio, over the domain."""
