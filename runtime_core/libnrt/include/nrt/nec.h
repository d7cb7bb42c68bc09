/* The interface between libnrt and libnccom is internal. libnrt.so of the simulator exports none of it. */
#ifndef NEC_H
#define NEC_H

#include "nrt/nrt.h"

#endif
