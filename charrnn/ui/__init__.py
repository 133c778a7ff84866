"""The page. The only place that imports gradio; it reads run folders and never trains."""
