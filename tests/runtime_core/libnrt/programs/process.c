/* Use of the library in host programs: process MODE NEFF. NEFF: y = x @ w, as in life.c. */
#include <errno.h>
#include <fenv.h>
#include <locale.h>
#include <nrt/nrt_experimental.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xmmintrin.h>

#include "check.h"

static const float row[4] = {12, 15, 18, 21};
static const float ones[6] = {1, 1, 1, 1, 1, 1};
static void *neff;
static size_t neff_size;

static void begin(void) { EXPECT(0, nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", "")); }

static nrt_model_t *load(int vnc) {
    nrt_model_t *model = NULL;
    EXPECT(0, nrt_load(neff, neff_size, vnc, -1, &model));
    return model;
}

static void execute(nrt_model_t *model, int times) {
    nrt_tensor_set_t *in, *out;
    nrt_tensor_t *x, *y;
    float got[8];
    EXPECT(0, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, 24, "x", &x));
    EXPECT(0, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_VIRTUAL, -1, 32, "y", &y));
    EXPECT(0, nrt_allocate_tensor_set(&in));
    EXPECT(0, nrt_allocate_tensor_set(&out));
    EXPECT(0, nrt_add_tensor_to_tensor_set(in, "x", x));
    EXPECT(0, nrt_add_tensor_to_tensor_set(out, "y", y));
    EXPECT(0, nrt_tensor_write(x, ones, 0, sizeof ones));
    while (times--) {
        EXPECT(0, nrt_tensor_memset(y, 0, 0, 32));
        EXPECT(0, nrt_execute(model, in, out));
        EXPECT(0, nrt_tensor_read(y, got, 0, sizeof got));
        TRUE_(memcmp(got, row, sizeof row) == 0 && memcmp(got + 4, row, sizeof row) == 0);
    }
    nrt_tensor_free(&x);
    nrt_tensor_free(&y);
    nrt_destroy_tensor_set(&in);
    nrt_destroy_tensor_set(&out);
}

/* y of an x that is not exact in float, so that its last bits show the rounding. */
static void inexact(nrt_model_t *model, float *y_out) {
    static const float x_in[6] = {0.1f, 0.7f, 1e-3f, 1.0f / 3, 1e-30f, 0.9f};
    nrt_tensor_set_t *in, *out;
    nrt_tensor_t *x, *y;
    EXPECT(0, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_VIRTUAL, -1, 24, "x", &x));
    EXPECT(0, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_VIRTUAL, -1, 32, "y", &y));
    EXPECT(0, nrt_allocate_tensor_set(&in));
    EXPECT(0, nrt_allocate_tensor_set(&out));
    EXPECT(0, nrt_add_tensor_to_tensor_set(in, "x", x));
    EXPECT(0, nrt_add_tensor_to_tensor_set(out, "y", y));
    EXPECT(0, nrt_tensor_write(x, x_in, 0, sizeof x_in));
    EXPECT(0, nrt_execute(model, in, out));
    EXPECT(0, nrt_tensor_read(y, y_out, 0, 32));
}

static volatile sig_atomic_t interrupted;
static void on_signal(int number) { interrupted = number; }

/* Signal handlers and mask, locale, rounding, flush-to-zero, floating-point flags and errno are preserved. */
static void untouched(void) {
    struct sigaction mine, now;
    sigset_t mask;
    const char *locale_ = setlocale(LC_ALL, "C.UTF-8");
    TRUE_(locale_ != NULL);
    memset(&mine, 0, sizeof mine);
    mine.sa_handler = on_signal;
    /* SIGINT must still end the program. */
    EXPECT(0, sigaction(SIGUSR1, &mine, NULL));
    sigemptyset(&mask);
    sigaddset(&mask, SIGHUP);
    EXPECT(0, sigprocmask(SIG_SETMASK, &mask, NULL));
    fesetround(FE_DOWNWARD);
    _mm_setcsr(_mm_getcsr() | 0x8040); /* flush to zero, denormals are zero */
    feclearexcept(FE_ALL_EXCEPT);
    feraiseexcept(FE_DIVBYZERO);
    unsigned before = _mm_getcsr();
    errno = 4242;
    begin();
    nrt_model_t *model = load(0);
    float odd[8], plain[8];
    execute(model, 3);
    inexact(model, odd);
    EXPECT(4242, errno);
    EXPECT(before, _mm_getcsr());
    EXPECT(FE_DOWNWARD, fegetround());
    EXPECT(FE_DIVBYZERO, fetestexcept(FE_ALL_EXCEPT));
    TRUE_(strcmp(setlocale(LC_CTYPE, NULL), "C.UTF-8") == 0);
    fesetenv(FE_DFL_ENV);
    inexact(model, plain);
    TRUE_(memcmp(odd, plain, sizeof odd) == 0);
    for (int number = 1; number < 32; number++) {
        if (number == SIGKILL || number == SIGSTOP) continue;
        EXPECT(0, sigaction(number, NULL, &now));
        TRUE_(now.sa_handler == (number == SIGUSR1 ? on_signal : SIG_DFL));
    }
    EXPECT(0, pthread_sigmask(SIG_SETMASK, NULL, &mask));
    TRUE_(sigismember(&mask, SIGHUP) == 1 && sigismember(&mask, SIGINT) == 0);
    EXPECT(0, kill(getpid(), SIGUSR1));
    EXPECT(SIGUSR1, interrupted);
    nrt_close();
}

static volatile int stop_working;
static void *work(void *model) {
    while (!stop_working) execute((nrt_model_t *)model, 1);
    return NULL;
}

/* Forks while other threads execute. A child has no runtime until it initializes one. */
static void forks(void) {
    pthread_t threads[3];
    nrt_model_t *model;
    begin();
    model = load(0);
    for (int i = 0; i < 3; i++) EXPECT(0, pthread_create(&threads[i], NULL, work, model));
    for (int i = 0; i < 12; i++) {
        int status;
        pid_t child = fork();
        TRUE_(child >= 0);
        if (child == 0) {
            uint32_t count = 0;
            nrt_tensor_set_t *set;
            alarm(20);
            EXPECT(NRT_UNINITIALIZED, nrt_unload(model));
            EXPECT(NRT_UNINITIALIZED, nrt_allocate_tensor_set(&set));
            nrt_close();
            /* The parent still owns core 0. */
            EXPECT(NRT_LOAD_NOT_ENOUGH_NC, nrt_init(NRT_FRAMEWORK_TYPE_NO_FW, "", ""));
            setenv("NEURON_RT_VISIBLE_CORES", "5-6", 1);
            EXPECT(0, nrt_get_visible_nc_count(&count));
            EXPECT(2, count);
            begin();
            EXPECT(NRT_INVALID_HANDLE, nrt_unload(model));
            execute(load(1), 2);
            if (i % 2) nrt_close();
            _exit(0);
        }
        TRUE_(waitpid(child, &status, 0) == child);
        EXPECT(0, status);
    }
    stop_working = 1;
    for (int i = 0; i < 3; i++) EXPECT(0, pthread_join(threads[i], NULL));
    execute(model, 1);
    nrt_close();
}

static void *once(void *model) {
    execute((nrt_model_t *)model, 1);
    return NULL;
}

/* The first call comes from a thread that ends; then many threads, on two models. */
static void *start_here(void *nothing) {
    begin();
    return nothing;
}
static void threads(void) {
    pthread_t one[8];
    nrt_model_t *models[2];
    EXPECT(0, pthread_create(&one[0], NULL, start_here, NULL));
    EXPECT(0, pthread_join(one[0], NULL));
    models[0] = load(0);
    models[1] = load(1);
    for (int i = 0; i < 40; i++) {
        for (int t = 0; t < 8; t++) EXPECT(0, pthread_create(&one[t], NULL, once, models[t % 2]));
        for (int t = 0; t < 8; t++) EXPECT(0, pthread_join(one[t], NULL));
    }
    nrt_close();
}

static void *until_cancelled(void *model) {
    while (1) {
        execute((nrt_model_t *)model, 1);
        pthread_testcancel();
    }
    return NULL;
}

/* Cancels threads in the middle of calls. */
static void cancelling(void) {
    nrt_model_t *model;
    begin();
    model = load(0);
    for (int round = 0; round < 10; round++) {
        pthread_t workers[4];
        for (int i = 0; i < 4; i++) EXPECT(0, pthread_create(&workers[i], NULL, until_cancelled, model));
        usleep(4000);
        for (int i = 0; i < 4; i++) {
            void *answer;
            EXPECT(0, pthread_cancel(workers[i]));
            EXPECT(0, pthread_join(workers[i], &answer));
            TRUE_(answer == PTHREAD_CANCELED);
            execute(model, 1);
        }
    }
    nrt_close();
}

static nrt_model_t *volatile current;
static void *outlive(void *nothing) {
    while (!stop_working) {
        nrt_tensor_set_t *in = NULL, *out = NULL;
        nrt_tensor_t *x = NULL, *y = NULL;
        int status[] = {
            (int)nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, 24, "x", &x),
            (int)nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_HOST, -1, 32, "y", &y),
            (int)nrt_allocate_tensor_set(&in),
            (int)nrt_allocate_tensor_set(&out),
            (int)nrt_add_tensor_to_tensor_set(in, "x", x),
            (int)nrt_add_tensor_to_tensor_set(out, "y", y),
            (int)nrt_tensor_write(x, ones, 0, sizeof ones),
            (int)nrt_execute(current, in, out),
        };
        for (size_t i = 0; i < sizeof status / sizeof *status; i++)
            /* Bad input: a set made after the initialization lacks a tensor from before it. */
            if (status[i] != NRT_SUCCESS && status[i] != NRT_CLOSED && status[i] != NRT_INVALID_HANDLE &&
                status[i] != NRT_EXEC_BAD_INPUT) {
                printf("call %zu: %s\n", i, nrt_get_status_as_str((NRT_STATUS)status[i]));
                fflush(stdout);
                exit(1);
            }
        nrt_tensor_free(&x);
        nrt_tensor_free(&y);
        nrt_destroy_tensor_set(&in);
        nrt_destroy_tensor_set(&out);
    }
    return nothing;
}

/* Closes and initializes again while other threads use the runtime. */
static void closing(void) {
    pthread_t workers[4];
    begin();
    current = load(0);
    for (int i = 0; i < 4; i++) EXPECT(0, pthread_create(&workers[i], NULL, outlive, NULL));
    for (int i = 0; i < 25; i++) {
        usleep(4000);
        nrt_close();
        begin();
        current = load(0);
    }
    stop_working = 1;
    for (int i = 0; i < 4; i++) EXPECT(0, pthread_join(workers[i], NULL));
    execute(current, 1);
    nrt_close();
}

/* Prints that it is ready, then waits until it is killed. */
static void stay(void) {
    nrt_tensor_t *tensor;
    EXPECT(0, nrt_init(NRT_FRAMEWORK_TYPE_PYTORCH, "1.13", ""));
    load(0);
    EXPECT(0, nrt_tensor_allocate(NRT_TENSOR_PLACEMENT_DEVICE, 0, 1 << 20, "x", &tensor));
    puts("ready");
    fflush(stdout);
    while (1) pause();
}

int main(int argc, char **argv) {
    TRUE_(argc == 3);
    neff = slurp(argv[2], &neff_size);
    if (!strcmp(argv[1], "untouched")) untouched();
    else if (!strcmp(argv[1], "forks")) forks();
    else if (!strcmp(argv[1], "threads")) threads();
    else if (!strcmp(argv[1], "closing")) closing();
    else if (!strcmp(argv[1], "cancelling")) cancelling();
    else if (!strcmp(argv[1], "stay")) stay();
    else return 2;
    free(neff);
    puts("DONE");
    return 0;
}
