/* The driver library's interface is internal to the vendor's tools. libnrt.so of the simulator exports none of it. */
#ifndef NDL_H
#define NDL_H

#include "ndl/neuron_driver_shared.h"

#endif
