/* Opens the library at run time, closes it, and opens it again: opened LIBRARY. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

int main(int argc, char **argv) {
    for (int i = 0; i < 3; i++) {
        void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
        int (*init)(int, const char *, const char *);
        int (*load)(const void *, size_t, int32_t, int32_t, void **);
        int (*close_)(void);
        void *model = NULL;
        if (library == NULL) {
            printf("%s\n", dlerror());
            return 1;
        }
        *(void **)&init = dlsym(library, "nrt_init");
        *(void **)&load = dlsym(library, "nrt_load");
        *(void **)&close_ = dlsym(library, "nrt_close");
        if (init(1, "", "") != 0 || load("junk", 4, -1, -1, &model) != 2) return 3;
        /* Declared void, but programs that read a status get NRT_SUCCESS. */
        if (close_() != 0) return 4;
        if (dlclose(library) != 0) return 5;
    }
    puts("DONE");
    return 0;
}
