/* Entering and leaving the library. */
#ifndef LIBNRT_START_H
#define LIBNRT_START_H

#include <fenv.h>

/* What a call gives back to the host program: its floating-point environment and errno. */
typedef struct {
    fenv_t environment;
    int error;
    int counted;
} libnrt_call;

/* Starts Python at the first call. 0: it did not start, and the log says why. A counted call is one that nrt_close
 * waits for. */
int libnrt_enter(libnrt_call *call, int counted);
void libnrt_leave(const libnrt_call *call);
int libnrt_started(void);

/* For Python. Counted calls that are inside; while closing, others wait before they come in, but for those of callbacks,
 * which closing waits for. */
long libnrt_inside(void);
void libnrt_set_closing(int closing);
void libnrt_set_callback(int in_callback);

#endif
