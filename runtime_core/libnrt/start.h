/* Entering and leaving the library. */
#ifndef LIBNRT_START_H
#define LIBNRT_START_H

#include <fenv.h>

/* What a call gives back to the host program: its floating-point environment and errno. */
typedef struct {
    fenv_t environment;
    int error;
} libnrt_call;

/* Starts Python at the first call. 0: it did not start, and the log says why. */
int libnrt_enter(libnrt_call *call);
void libnrt_leave(const libnrt_call *call);
int libnrt_started(void);

#endif
