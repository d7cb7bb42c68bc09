#!/bin/sh
# A simulated node with three applications with different loads, and its monitor in the foreground.
set -eu
neuron-sim up
models=$(python -c 'import onnx, os; print(os.path.join(os.path.dirname(onnx.__file__), "backend/test/data/light"))')
work=$(mktemp -d)
for network in light_resnet50 light_squeezenet; do
  neuron-cc compile "$models/$network.onnx" --output "$work/$network.neff"
done
run() { # tag, cores, network, further options
  tag=$1 cores=$2 network=$3
  shift 3
  neuron-sim run "$work/$network.neff" --tag "$tag" --visible-cores "$cores" --no-numerics --duration 0 "$@" &
}
run photo-tags 0-1 light_resnet50 --threads 4 --rate 600
run thumbnails 4 light_squeezenet --threads 2 --rate 300
run nightly-batch 8-11 light_resnet50 --threads 4
exec neuron-monitor --prometheus --web.listen-address "${NEURON_LISTEN_ADDRESS:-:8000}"
