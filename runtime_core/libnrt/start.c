/* Starts Python inside the host program, and preserves the state of the host program: signal handlers and masks,
 * locale, floating-point environment, errno, stdio. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "start.h"

/* The build defines LIBNRT_PYTHON, the path of the Python that has the runtime's packages, and LIBNRT_INIT. */
#define OVERRIDE "NEURON_SIM_PYTHON"

extern PyObject *LIBNRT_INIT(void);
extern int libnrt_ready(void);

enum { NEW, READY, FAILED };

static pthread_mutex_t guard = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static int state = NEW;
static int starting = 0;
static long inside = 0;
static int closing = 0;
static __thread int in_callback = 0;

static void fail(const char *what, const char *where, const char *mend) {
    struct timespec now;
    struct tm local;
    char when[32] = "";
    clock_gettime(CLOCK_REALTIME, &now);
    if (localtime_r(&now.tv_sec, &local) != NULL) {
        static const char *months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        snprintf(when, sizeof when, "%04d-%s-%02d %02d:%02d:%02d", local.tm_year + 1900, months[local.tm_mon % 12],
                 local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec);
    }
    fprintf(stderr, "%s.%06ld  %d:%ld   ERROR  NRT:libnrt        %s: %s: %s\n", when, now.tv_nsec / 1000, (int)getpid(),
            (long)syscall(SYS_gettid), where, what, mend);
}

/* Extension modules of Python require global symbols of the interpreter, but a program that opens libnrt.so with
 * dlopen makes them local. */
static void make_python_global(void) {
    Dl_info found;
    if (dladdr((void *)(uintptr_t)&Py_IsInitialized, &found) && found.dli_fname != NULL)
        (void)dlopen(found.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_GLOBAL);
}

/* Isolated: no PYTHON* variable, no user site, no signal handler, no change of locale. */
static int start_python(const char *python) {
    PyPreConfig early;
    PyConfig config;
    PyStatus status;
    PyPreConfig_InitIsolatedConfig(&early);
    early.utf8_mode = 1;
    status = Py_PreInitialize(&early);
    if (PyStatus_Exception(status)) {
        fail(status.err_msg ? status.err_msg : "Python does not start", python, "set " OVERRIDE);
        return 0;
    }
    PyConfig_InitIsolatedConfig(&config);
    config.install_signal_handlers = 0;
    status = PyConfig_SetBytesString(&config, &config.executable, python);
    if (!PyStatus_Exception(status)) status = PyConfig_SetBytesString(&config, &config.program_name, python);
    if (!PyStatus_Exception(status)) status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status)) {
        fail(status.err_msg ? status.err_msg : "Python does not start", python,
             "set " OVERRIDE " to the Python of the environment that has neuron-tools-sim");
        return 0;
    }
    PyEval_SaveThread();
    return 1;
}

/* Importing _signal installs a handler for SIGINT, whatever the configuration. Therefore it is imported here, once, and
 * the program's own handlers are restored. Ctrl-C then ends the program as it does without the library. */
static void keep_signal_handlers(const struct sigaction *before) {
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *module = PyImport_ImportModule("_signal");
    struct sigaction now;
    if (module == NULL) PyErr_Clear();
    Py_XDECREF(module);
    PyGILState_Release(gil);
    for (int number = 1; number < NSIG; number++)
        if (sigaction(number, NULL, &now) == 0 && now.sa_handler != before[number].sa_handler)
            sigaction(number, &before[number], NULL);
}

/* Creates the cffi module, and binds the functions of runtime_core.libnrt to it. */
static int attach(const char *python) {
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *module = NULL, *package = NULL, *answer = NULL;
    int done = 0;
    module = LIBNRT_INIT();
    if (module != NULL) package = PyImport_ImportModule("runtime_core.libnrt.attach");
    if (package != NULL) answer = PyObject_CallMethod(package, "attach", "O", module);
    done = answer != NULL;
    if (!done) {
        PyObject *type, *value, *trace, *text = NULL;
        const char *what = NULL;
        PyErr_Fetch(&type, &value, &trace);
        if (value != NULL) text = PyObject_Str(value);
        if (text != NULL) what = PyUnicode_AsUTF8(text);
        fail(what ? what : "the runtime's packages do not load", python,
             "install neuron-tools-sim[libnrt] there, or set " OVERRIDE " to the Python that has it");
        Py_XDECREF(text);
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(trace);
        PyErr_Clear();
    }
    Py_XDECREF(answer);
    Py_XDECREF(package);
    /* The reference to the module is kept, because it owns the functions. */
    PyGILState_Release(gil);
    return done && libnrt_ready() == 1;
}

/* A fork must not happen while another thread runs Python, because the child could not continue. When Python itself
 * forks, it holds the interpreter lock and ensures this itself. */
static int forking_for_host = 0;
static PyGILState_STATE fork_gil;

static void before_fork(void) {
    pthread_mutex_lock(&guard);
    forking_for_host = state == READY && !starting && !PyGILState_Check();
    if (forking_for_host) {
        fork_gil = PyGILState_Ensure();
        PyOS_BeforeFork();
    }
}

static void after_fork_in_parent(void) {
    if (forking_for_host) {
        PyOS_AfterFork_Parent();
        PyGILState_Release(fork_gil);
    }
    pthread_mutex_unlock(&guard);
}

static void after_fork_in_child(void) {
    static const pthread_mutex_t fresh = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    if (forking_for_host) {
        PyOS_AfterFork_Child();
        PyGILState_Release(fork_gil);
    }
    memcpy(&guard, &fresh, sizeof guard);
    inside = 0;
    closing = 0;
}

static int start(void) {
    const char *python = getenv(OVERRIDE);
    char built[32];
    if (python == NULL || *python == '\0') python = LIBNRT_PYTHON;
    snprintf(built, sizeof built, "%d.%d.", PY_MAJOR_VERSION, PY_MINOR_VERSION);
    if (strncmp(Py_GetVersion(), built, strlen(built)) != 0) {
        fail("the process already contains another Python", Py_GetVersion(), "build libnrt.so with that Python");
        return 0;
    }
    make_python_global();
    if (!Py_IsInitialized()) {
        if (access(python, X_OK) != 0) {
            fail(strerror(errno), python,
                 "set " OVERRIDE " to the Python of the environment that has neuron-tools-sim");
            return 0;
        }
        struct sigaction handlers[NSIG] = {0};
        for (int number = 1; number < NSIG; number++) sigaction(number, NULL, &handlers[number]);
        if (!start_python(python)) return 0;
        keep_signal_handlers(handlers);
    }
    if (!attach(python)) return 0;
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    return 1;
}

static int start_once(void) {
    int ready;
    pthread_mutex_lock(&guard);
    if (state == NEW && !starting) {
        /* Threads that libraries (such as linear algebra) create from here on receive no signals of the host. */
        sigset_t all, before;
        starting = 1;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        ready = start() ? READY : FAILED;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        starting = 0;
        __atomic_store_n(&state, ready, __ATOMIC_RELEASE);
    }
    ready = state == READY;
    pthread_mutex_unlock(&guard);
    return ready;
}

int libnrt_started(void) { return __atomic_load_n(&state, __ATOMIC_ACQUIRE) == READY; }

long libnrt_inside(void) { return __atomic_load_n(&inside, __ATOMIC_ACQUIRE); }

void libnrt_set_closing(int now) { __atomic_store_n(&closing, now, __ATOMIC_SEQ_CST); }

void libnrt_set_callback(int now) { in_callback = now; }

static void come_in(int counted) {
    while (1) {
        __atomic_add_fetch(&inside, counted, __ATOMIC_SEQ_CST);
        if (!counted || in_callback || !__atomic_load_n(&closing, __ATOMIC_SEQ_CST)) return;
        __atomic_sub_fetch(&inside, counted, __ATOMIC_SEQ_CST);
        usleep(200);
    }
}

int libnrt_enter(libnrt_call *call, int counted) {
    call->error = errno;
    call->counted = counted;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &call->cancelling);
    come_in(counted);
    fegetenv(&call->environment);
    fesetenv(FE_DFL_ENV);
    if (libnrt_started() || start_once()) return 1;
    libnrt_leave(call);
    return 0;
}

void libnrt_leave(const libnrt_call *call) {
    __atomic_sub_fetch(&inside, call->counted, __ATOMIC_ACQ_REL);
    fesetenv(&call->environment);
    pthread_setcancelstate(call->cancelling, NULL);
    errno = call->error;
}
