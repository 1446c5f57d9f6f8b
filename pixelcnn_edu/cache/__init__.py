"""Drawing with a cache: keep the features of earlier pixels (arXiv 1704.06001).

Notebook 10 teaches it. Begin with `pages`, then read `graph.Tensor`:

- `pages`: the idea, in its simplest form;
- `graph`: a model's graph, and the table of the layers that can run pixel by pixel;
- `loop`: the fast form of the idea, one pixel of the network at a time;
- `compiled_loop`: the object that compiles the loop, and keeps it;
- `coder`: the same loop for `pixelcnn_edu.compression`.
"""
