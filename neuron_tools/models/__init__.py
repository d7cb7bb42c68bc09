"""Reference networks as ONNX models: the published layer shapes with seeded random weights.

``python -m neuron_tools.models NAME -o FILE`` writes one; :func:`neuron_tools.models.catalogue.build` returns one.
"""
