/* The driver's data store is internal to the vendor's tools. libnrt.so of the simulator exports none of it. */
#ifndef NEURON_DS_H
#define NEURON_DS_H

#include <stdint.h>

#endif
