/* One part of a batched tensor read or write. */
#ifndef NEURON_DRIVER_SHARED_TENSOR_BATCH_OP_H
#define NEURON_DRIVER_SHARED_TENSOR_BATCH_OP_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nrt_tensor_batch_op {
    uint64_t offset; /* In the tensor, bytes. */
    uint64_t size;   /* Bytes. */
    void *buffer;    /* Of the application. */
} nrt_tensor_batch_op_t;

#ifdef __cplusplus
}
#endif

#endif
