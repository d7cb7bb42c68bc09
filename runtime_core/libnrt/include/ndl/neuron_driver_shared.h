/* Types that the runtime and the driver share. The simulated driver has no calls of its own: only the batch operation. */
#ifndef NEURON_DRIVER_SHARED_H
#define NEURON_DRIVER_SHARED_H

#include "ndl/neuron_driver_shared_tensor_batch_op.h"

#endif
