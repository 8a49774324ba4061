/* A clock that can be set: seconds in the file CLOCK_OFFSET are added to the time of day, and to nothing else. For LD_PRELOAD. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *at) {
    int done = (int)syscall(SYS_clock_gettime, id, at);
    const char *path = getenv("CLOCK_OFFSET");
    if (done == 0 && path && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        long long seconds = 0;
        FILE *file = fopen(path, "re");
        if (file) {
            if (fscanf(file, "%lld", &seconds) != 1) seconds = 0;
            fclose(file);
        }
        at->tv_sec += seconds;
    }
    return done;
}
