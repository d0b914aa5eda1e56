/* Preloaded into the supervisor's processes, the hook and rTorrent (LD_PRELOAD): sees every durable step they take on the
 * roots it is told, and strikes at one of them. What it is told stands in the environment; steps.py writes that.
 *
 *   STEPS_ROOTS   name=path:…        only what lies below these counts; a step is told as "fsync hdd/Show/a"
 *   STEPS_PEERS   name=path|port:…   sockets whose connect and send are steps: "send rtorrent"
 *   STEPS_HASH    hex:…              written as H, H2 … in what is told, so that two runs tell the same
 *   STEPS_LOG     file               each step is told there, with its process and whether it is a read
 *   STEPS_RECORD  file               each step with all it wrote, one after another: what a disk model replays
 *   STEPS_SHARED  file               the counters below, mapped by all processes
 *   STEPS_AT, STEPS_NTH, STEPS_WHEN  the step to strike at, which time it comes, before or after it
 *   STEPS_DO      kill, group, stop, other:PID, errno:N, errno-on:N, short
 *   STEPS_CLOCK   file               seconds (a double) by which the wall clock is wrong
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { IDLE, FIRED, HEALED };
struct shared {
    long seen;  /* how often the step has come */
    long fired; /* IDLE, FIRED, HEALED (by the harness) */
    long lock;  /* of the record */
    char root[64]; /* where errno-on strikes */
};

struct name { const char *name, *value; size_t length; };
static struct name roots[16], peers[16], hashes[16];
static int root_count, peer_count, hash_count, log_fd = -1, record_fd = -1, after, number;
static const char *target = "", *deed = "";
static long nth;
static struct shared *shared;
static volatile double *skew;

static int list(const char *variable, struct name *into) {
    char *text = getenv(variable), *item;
    int count = 0;
    if (!text) return 0;
    text = strdup(text);
    while (count < 16 && (item = strsep(&text, ":"))) {
        char *equals = strchr(item, '=');
        if (!equals) continue;
        into[count].name = item;
        into[count].value = equals + 1;
        *equals = 0;
        into[count].length = strlen(into[count].value);
        count++;
    }
    return count;
}

static void *mapped(const char *variable, size_t size) {
    const char *path = getenv(variable);
    if (!path) return NULL;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    void *found = fd < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0) syscall(SYS_close, fd);
    return found == MAP_FAILED ? NULL : found;
}

static int appending(const char *variable) {
    const char *path = getenv(variable);
    if (!path) return -1;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 500); /* out of the way of those who close or count low ones */
    if (fd >= 0) syscall(SYS_close, fd);
    return high;
}

__attribute__((constructor)) static void begin(void) {
    root_count = list("STEPS_ROOTS", roots);
    peer_count = list("STEPS_PEERS", peers);
    hash_count = list("STEPS_HASH", hashes);
    shared = mapped("STEPS_SHARED", sizeof *shared);
    skew = mapped("STEPS_CLOCK", sizeof *skew);
    log_fd = appending("STEPS_LOG");
    record_fd = appending("STEPS_RECORD");
    if (getenv("STEPS_AT")) target = strdup(getenv("STEPS_AT"));
    if (getenv("STEPS_DO")) deed = strdup(getenv("STEPS_DO"));
    if (getenv("STEPS_NTH")) nth = atol(getenv("STEPS_NTH"));
    after = getenv("STEPS_WHEN") && !strcmp(getenv("STEPS_WHEN"), "after");
    const char *colon = strchr(deed, ':');
    number = colon ? atoi(colon + 1) : 0;
}

/* -- what a step is called ------------------------------------------------------------------------------------------ */

struct step { char text[2 * PATH_MAX + 64]; const char *root; int ours, hit, reads; };

static void path_of(int fd, char *into) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, into, PATH_MAX - 1);
    into[length < 0 ? 0 : length] = 0;
}

static void path_at(int directory, const char *name, char *into) {
    if (!name) name = "";
    if (name[0] == '/') {
        snprintf(into, PATH_MAX, "%s", name);
        return;
    }
    if (directory == AT_FDCWD) {
        ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/cwd", into, PATH_MAX - 1);
        into[length < 0 ? 0 : length] = 0;
    } else
        path_of(directory, into);
    size_t length = strlen(into);
    if (*name) snprintf(into + length, PATH_MAX - length, "/%s", name);
}

static const char *below(const char *path, const char **rest) {
    for (int i = 0; i < root_count; i++)
        if (!strncmp(path, roots[i].value, roots[i].length) && (path[roots[i].length] == '/' || !path[roots[i].length])) {
            *rest = path + roots[i].length;
            return roots[i].name;
        }
    return NULL;
}

static void add(struct step *step, const char *text) { strncat(step->text, text, sizeof step->text - strlen(step->text) - 1); }

static void normal(struct step *step, size_t from) { /* the hashes of this run by their numbers */
    for (int i = 0; i < hash_count; i++)
        for (char *at = step->text + from; (at = strstr(at, hashes[i].value));) {
            char label[16];
            int length = snprintf(label, sizeof label, i ? "H%d" : "H", i + 1);
            memcpy(at, label, length);
            memmove(at + length, at + hashes[i].length, strlen(at + hashes[i].length) + 1);
        }
}

static void where(struct step *step, const char *path) {
    const char *rest, *root = below(path, &rest);
    size_t from = strlen(step->text);
    if (root) {
        step->ours = 1;
        step->root = root;
        add(step, " ");
        add(step, root);
        add(step, rest);
        normal(step, from);
    } else
        add(step, " elsewhere");
}

/* -- striking ------------------------------------------------------------------------------------------------------- */

static void take(void) { while (record_fd >= 0 && shared && __atomic_exchange_n(&shared->lock, 1, __ATOMIC_ACQUIRE)) sched_yield(); }
static void give(void) { if (record_fd >= 0 && shared) __atomic_store_n(&shared->lock, 0, __ATOMIC_RELEASE); }

static int gone(int pid) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
    if (fd < 0) return 1;
    ssize_t length = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    text[length < 0 ? 0 : length] = 0;
    char *state = strrchr(text, ')');
    return !state || state[2] == 'Z';
}

static void strike(void) {
    if (!strcmp(deed, "kill")) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    if (!strcmp(deed, "group")) {
        kill(0, SIGKILL);
        for (;;) pause();
    }
    if (!strcmp(deed, "stop")) kill(getpid(), SIGSTOP);
    if (!strncmp(deed, "other:", 6)) {
        kill(number, SIGKILL);
        for (int i = 0; i < 2000 && !gone(number); i++) usleep(1000);
    }
}

/* Return 0, or the errno that the step is to fail with. */
static int enter(struct step *step) {
    if (!step->ours) return 0;
    take();
    if (log_fd >= 0) {
        char line[sizeof step->text + 64];
        int length = snprintf(line, sizeof line, "%d %c %s\n", getpid(), step->reads ? 'r' : 'w', step->text);
        syscall(SYS_write, log_fd, line, length);
    }
    if (!shared) return 0;
    if (!strncmp(deed, "errno-on:", 9) && shared->fired == FIRED && !strcmp(step->root, shared->root)
        && (number == EIO || !step->reads)) /* a disk that is full or read-only can still be read */
        return number;
    if (!*target || strcmp(step->text, target)) return 0;
    if (__atomic_add_fetch(&shared->seen, 1, __ATOMIC_SEQ_CST) != nth) return 0;
    step->hit = 1;
    strncpy(shared->root, step->root, sizeof shared->root - 1);
    __atomic_store_n(&shared->fired, FIRED, __ATOMIC_SEQ_CST);
    if (!strncmp(deed, "errno", 5)) return number;
    if (!after) strike();
    return 0;
}

static void leave(struct step *step) {
    int kept = errno;
    if (!step->ours) return;
    give();
    if (step->hit && after) strike();
    errno = kept;
}

static void record(const char *kind, const char *path, const char *other, long long offset, long long extra,
                   const struct iovec *data, int count, size_t length) {
    if (record_fd < 0) return;
    int kept = errno;
    char head[2 * PATH_MAX + 128];
    int size = snprintf(head, sizeof head, "%s\t%s\t%s\t%lld\t%lld\t%zu\n", kind, path, other, offset, extra, length);
    syscall(SYS_write, record_fd, head, size);
    for (int i = 0; i < count && length; i++) {
        size_t part = data[i].iov_len < length ? data[i].iov_len : length;
        syscall(SYS_write, record_fd, data[i].iov_base, part);
        length -= part;
    }
    errno = kept;
}

#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)
#define FAIL(step, value) do { int error = enter(&step); if (error) { give(); errno = error; return value; } } while (0)

static int regular(int fd, mode_t kind) {
    struct stat info;
    return !fstat(fd, &info) && (info.st_mode & S_IFMT) == kind;
}

static struct step of_path(const char *kind, int directory, const char *name, char *path) {
    struct step step = {0};
    int kept = errno;
    path_at(directory, name, path);
    strcpy(step.text, kind);
    where(&step, path);
    errno = kept;
    return step;
}

static struct step of_file(const char *kind, int fd, char *path, int reads) {
    struct step step = {0};
    int kept = errno;
    *path = 0;
    if (regular(fd, S_IFREG)) {
        path_of(fd, path);
        strcpy(step.text, kind);
        where(&step, path);
    }
    step.reads = reads;
    errno = kept;
    return step;
}

/* -- opening -------------------------------------------------------------------------------------------------------- */

static int opened(int directory, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    struct step step = {0};
    int new = 0;
    if (flags & (O_CREAT | O_TRUNC)) {
        struct stat info;
        int kept = errno;
        new = syscall(SYS_newfstatat, directory, name, &info, AT_SYMLINK_NOFOLLOW) != 0;
        errno = kept;
        if (new || flags & O_TRUNC) step = of_path(new ? "create" : "truncate", directory, name, path);
    } else if (!(flags & O_DIRECTORY)) { /* only so that it can be made to fail */
        step = of_path("open", directory, name, path);
        step.reads = 1;
    }
    FAIL(step, -1);
    int fd = syscall(SYS_openat, directory, name, flags, mode);
    if (fd >= 0 && step.ours && flags & (O_CREAT | O_TRUNC)) record(new ? "create" : "truncate", path, "", 0, 0, NULL, 0, 0);
    leave(&step);
    return fd;
}

#define MODE(flags) mode_t mode = 0; if (flags & (O_CREAT | __O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }
int open(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return opened(AT_FDCWD, name, flags, mode); }
int openat(int directory, const char *name, int flags, ...) { MODE(flags) return opened(directory, name, flags, mode); }
int openat64(int directory, const char *name, int flags, ...) { MODE(flags) return opened(directory, name, flags, mode); }

/* -- contents ------------------------------------------------------------------------------------------------------- */

static ssize_t written(const char *kind, int fd, const struct iovec *data, int count, off_t offset, int placed) {
    char path[PATH_MAX];
    struct step step = of_file(kind, fd, path, 0);
    FAIL(step, -1);
    struct iovec half;
    if (step.hit && !strcmp(deed, "short") && data[0].iov_len > 1) {
        half = data[0];
        /* what is written around the page cache goes in whole pages */
        half.iov_len = half.iov_len > 8192 ? half.iov_len / 2 & ~4095UL : fcntl(fd, F_GETFL) & O_DIRECT ? half.iov_len : half.iov_len / 2;
        data = &half;
        count = 1;
    }
    ssize_t done = placed ? syscall(SYS_pwritev, fd, data, count, offset, 0) : syscall(SYS_writev, fd, data, count);
    if (done > 0 && step.ours && record_fd >= 0) {
        int kept = errno;
        if (!placed) offset = syscall(SYS_lseek, fd, 0, SEEK_CUR) - done;
        errno = kept;
        record("write", path, "", offset, 0, data, count, done);
    }
    leave(&step);
    return done;
}

ssize_t write(int fd, const void *data, size_t length) {
    struct iovec one = {(void *)data, length};
    return written("write", fd, &one, 1, 0, 0);
}
ssize_t writev(int fd, const struct iovec *data, int count) { return written("write", fd, data, count, 0, 0); }
ssize_t pwrite64(int fd, const void *data, size_t length, off_t offset) {
    struct iovec one = {(void *)data, length};
    return written("write", fd, &one, 1, offset, 1);
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return pwrite64(fd, data, length, offset); }
ssize_t pwritev64(int fd, const struct iovec *data, int count, off_t offset) { return written("write", fd, data, count, offset, 1); }
ssize_t pwritev(int fd, const struct iovec *data, int count, off_t offset) { return written("write", fd, data, count, offset, 1); }

static ssize_t got(int fd, const struct iovec *data, int count, off_t offset, int placed) {
    char path[PATH_MAX];
    struct step step = of_file("read", fd, path, 1);
    FAIL(step, -1);
    struct iovec half;
    if (step.hit && !strcmp(deed, "short") && data[0].iov_len > 8192) {
        half = data[0];
        half.iov_len = half.iov_len / 2 & ~4095UL;
        data = &half;
        count = 1;
    }
    ssize_t done = placed ? syscall(SYS_preadv, fd, data, count, offset, 0) : syscall(SYS_readv, fd, data, count);
    leave(&step);
    return done;
}

ssize_t read(int fd, void *data, size_t length) {
    struct iovec one = {data, length};
    return got(fd, &one, 1, 0, 0);
}
ssize_t pread64(int fd, void *data, size_t length, off_t offset) {
    struct iovec one = {data, length};
    return got(fd, &one, 1, offset, 1);
}
ssize_t pread(int fd, void *data, size_t length, off_t offset) { return pread64(fd, data, length, offset); }
ssize_t preadv64(int fd, const struct iovec *data, int count, off_t offset) { return got(fd, data, count, offset, 1); }
ssize_t preadv64v2(int fd, const struct iovec *data, int count, off_t offset, int flags) { (void)flags; return preadv64(fd, data, count, offset); }
ssize_t preadv2(int fd, const struct iovec *data, int count, off_t offset, int flags) { return preadv64v2(fd, data, count, offset, flags); }
ssize_t preadv(int fd, const struct iovec *data, int count, off_t offset) { return got(fd, data, count, offset, 1); }

int ftruncate64(int fd, off_t length) {
    char path[PATH_MAX];
    struct step step = of_file("resize", fd, path, 0);
    FAIL(step, -1);
    int done = syscall(SYS_ftruncate, fd, length);
    if (!done && step.ours) record("resize", path, "", length, 0, NULL, 0, 0);
    leave(&step);
    return done;
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int fallocate64(int fd, int mode, off_t offset, off_t length) {
    char path[PATH_MAX];
    struct step step = of_file("allocate", fd, path, 0);
    FAIL(step, -1);
    int done = syscall(SYS_fallocate, fd, mode, offset, length);
    if (!done && step.ours && !mode) record("allocate", path, "", offset + length, 0, NULL, 0, 0);
    leave(&step);
    return done;
}
int fallocate(int fd, int mode, off_t offset, off_t length) { return fallocate64(fd, mode, offset, length); }

/* -- what makes durable --------------------------------------------------------------------------------------------- */

static int synced(const char *kind, int fd, long system_call) {
    char path[PATH_MAX];
    struct step step = {0};
    int kept = errno;
    path_of(fd, path);
    strcpy(step.text, kind);
    where(&step, path);
    errno = kept;
    FAIL(step, -1);
    int done = syscall(system_call, fd);
    if (!done && step.ours) record(kind, path, "", 0, 0, NULL, 0, 0);
    leave(&step);
    return done;
}
int fsync(int fd) { return synced("fsync", fd, SYS_fsync); }
int fdatasync(int fd) { return synced("fsync", fd, SYS_fdatasync); }
int syncfs(int fd) { return synced("syncfs", fd, SYS_syncfs); }

/* -- names ---------------------------------------------------------------------------------------------------------- */

static int named(const char *kind, int from, const char *name, int to, const char *other, long system_call, int flags) {
    char path[PATH_MAX], path2[PATH_MAX];
    struct step step = of_path(kind, from, name, path);
    path_at(to, other, path2);
    where(&step, path2);
    FAIL(step, -1);
    int done = syscall(system_call, from, name, to, other, flags);
    if (!done && step.ours) record(kind, path, path2, 0, 0, NULL, 0, 0);
    leave(&step);
    return done;
}
int rename(const char *a, const char *b) { return named("rename", AT_FDCWD, a, AT_FDCWD, b, SYS_renameat2, 0); }
int renameat(int f, const char *a, int t, const char *b) { return named("rename", f, a, t, b, SYS_renameat2, 0); }
int renameat2(int f, const char *a, int t, const char *b, unsigned flags) { return named("rename", f, a, t, b, SYS_renameat2, flags); }
int link(const char *a, const char *b) { return named("link", AT_FDCWD, a, AT_FDCWD, b, SYS_linkat, 0); }
int linkat(int f, const char *a, int t, const char *b, int flags) { return named("link", f, a, t, b, SYS_linkat, flags); }

static int removed(int directory, const char *name, int flags) {
    char path[PATH_MAX];
    struct step step = of_path(flags & AT_REMOVEDIR ? "rmdir" : "unlink", directory, name, path);
    FAIL(step, -1);
    int done = syscall(SYS_unlinkat, directory, name, flags);
    if (!done && step.ours) record("unlink", path, "", 0, 0, NULL, 0, 0);
    leave(&step);
    return done;
}
int unlink(const char *name) { return removed(AT_FDCWD, name, 0); }
int unlinkat(int directory, const char *name, int flags) { return removed(directory, name, flags); }
int rmdir(const char *name) { return removed(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int directory, const char *name, mode_t mode) {
    char path[PATH_MAX];
    struct step step = of_path("mkdir", directory, name, path);
    FAIL(step, -1);
    int done = syscall(SYS_mkdirat, directory, name, mode);
    if (!done && step.ours) record("mkdir", path, "", 0, 0, NULL, 0, 0);
    leave(&step);
    return done;
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

int fchmod(int fd, mode_t mode) {
    char path[PATH_MAX];
    struct step step = {0};
    path_of(fd, path);
    strcpy(step.text, "fchmod");
    where(&step, path);
    FAIL(step, -1);
    int done = syscall(SYS_fchmod, fd, mode);
    leave(&step);
    return done;
}

int futimens(int fd, const struct timespec times[2]) {
    char path[PATH_MAX];
    struct step step = of_file("utime", fd, path, 0);
    FAIL(step, -1);
    int done = syscall(SYS_utimensat, fd, NULL, times, 0);
    if (!done && step.ours) record("utime", path, "", times[1].tv_sec, times[1].tv_nsec, NULL, 0, 0);
    leave(&step);
    return done;
}

/* -- the others ----------------------------------------------------------------------------------------------------- */

static struct step of_peer(const char *kind, const struct sockaddr *address) {
    struct step step = {0};
    char text[128] = "";
    if (!address) return step;
    if (address->sa_family == AF_UNIX) snprintf(text, sizeof text, "%s", ((struct sockaddr_un *)address)->sun_path);
    if (address->sa_family == AF_INET) snprintf(text, sizeof text, "%d", ntohs(((struct sockaddr_in *)address)->sin_port));
    for (int i = 0; i < peer_count; i++)
        if (!strcmp(text, peers[i].value)) {
            snprintf(step.text, sizeof step.text, "%s %s", kind, peers[i].name);
            step.root = peers[i].name;
            step.ours = 1;
        }
    return step;
}

static struct step of_socket(const char *kind, int fd) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int kept = errno;
    memset(&address, 0, sizeof address);
    struct step step = {0};
    if (peer_count && !getpeername(fd, (struct sockaddr *)&address, &length)) step = of_peer(kind, (struct sockaddr *)&address);
    errno = kept;
    return step;
}

int connect(int fd, const struct sockaddr *address, socklen_t length) {
    struct step step = of_peer("connect", address);
    FAIL(step, -1);
    int done = syscall(SYS_connect, fd, address, length);
    leave(&step);
    return done;
}

ssize_t send(int fd, const void *data, size_t length, int flags) {
    struct step step = of_socket("send", fd);
    FAIL(step, -1);
    ssize_t done = syscall(SYS_sendto, fd, data, length, flags, NULL, 0);
    leave(&step);
    return done;
}

/* -- the clock ------------------------------------------------------------------------------------------------------ */

int clock_gettime(clockid_t clock, struct timespec *into) {
    REAL(int, "clock_gettime", clockid_t, struct timespec *);
    int done = real(clock, into);
    if (skew && !done && clock == CLOCK_REALTIME) {
        double now = into->tv_sec + into->tv_nsec / 1e9 + *skew;
        into->tv_sec = (time_t)now;
        into->tv_nsec = (long)((now - (double)into->tv_sec) * 1e9);
    }
    return done;
}
