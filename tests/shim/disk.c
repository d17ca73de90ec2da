/* A disk that fails: for LD_PRELOAD in front of the C library. It counts every write, flush, rename and removal of files and every
 * making of a folder below the folder $DISK_UNDER, and of that folder itself, which is told as "."; and lets call number $DISK_AT
 * fail with $DISK_ERROR (EIO or ENOSPC); with $DISK_TORN a failing write first writes half of its bytes; with $DISK_ON every later
 * call fails too; with $DISK_KILL the process dies there. $DISK_TRACE gets a line for each call: number, what, fault, file, and for
 * a write at a given place that and the number of bytes, for a rename the old name. It also gets one, which is not counted, where
 * the process can be reached from outside: once it has an address for datagrams or a socket of a name, and whenever it takes a
 * connection. A listening TCP socket alone answers nobody. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <fcntl.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long count;
static int trace = -1;

static void note(const char *what, const char *fault, const char *file, const char *where) {
	char line[2 * PATH_MAX + 64];
	const char *path = getenv("DISK_TRACE");
	if (trace < 0 && path)
		trace = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int length = snprintf(line, sizeof line, "%ld %s %s %s%s\n", count, what, fault, file, where);
	if (trace >= 0 && length > 0)
		syscall(SYS_write, trace, line, (size_t)length);
}

/* What a file is called as seen from $DISK_UNDER, or NULL where it is elsewhere. */
static const char *name_of(const char *file) {
	const char *under = getenv("DISK_UNDER");
	size_t length = under ? strlen(under) : 0;
	if (!under || strncmp(file, under, length) != 0)
		return NULL;
	if (file[length] == 0)
		return ".";
	return file[length] == '/' ? file + length + 1 : NULL;
}

/* The error that this call is to fail with, or 0. */
static int due(const char *what, const char *file, const char *where) {
	const char *name = name_of(file), *at = getenv("DISK_AT"), *error = getenv("DISK_ERROR");
	if (!name)
		return 0;
	pthread_mutex_lock(&lock);
	count++;
	long wanted = at ? atol(at) : 0;
	int fails = wanted > 0 && (count == wanted || (getenv("DISK_ON") && count > wanted));
	note(what, fails ? "fails" : "passes", name, where);
	pthread_mutex_unlock(&lock);
	if (!fails)
		return 0;
	if (getenv("DISK_KILL"))
		raise(SIGKILL);
	return error && strcmp(error, "ENOSPC") == 0 ? ENOSPC : EIO;
}

static int due_fd(const char *what, int fd, const char *where) {
	char link[32], file[PATH_MAX];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, file, sizeof file - 1);
	if (length <= 0)
		return 0;
	file[length] = 0;
	return due(what, file, where);
}

static int fail(int error) {
	errno = error;
	return -1;
}

#define NEXT(name, type, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

ssize_t write(int fd, const void *bytes, size_t size) {
	int error = due_fd("write", fd, "");
	if (error) {
		if (getenv("DISK_TORN"))
			syscall(SYS_write, fd, bytes, size / 2);
		return fail(error);
	}
	return NEXT("write", ssize_t, int, const void *, size_t)(fd, bytes, size);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
	char where[64];
	snprintf(where, sizeof where, " %lld %zu", (long long)at, size);
	int error = due_fd("write", fd, where);
	if (error) {
		if (getenv("DISK_TORN"))
			syscall(SYS_pwrite64, fd, bytes, size / 2, at);
		return fail(error);
	}
	return NEXT("pwrite64", ssize_t, int, const void *, size_t, off64_t)(fd, bytes, size, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) { return pwrite64(fd, bytes, size, at); }

int fsync(int fd) {
	int error = due_fd("flush", fd, "");
	return error ? fail(error) : NEXT("fsync", int, int)(fd);
}

int fdatasync(int fd) {
	int error = due_fd("flush", fd, "");
	return error ? fail(error) : NEXT("fdatasync", int, int)(fd);
}

int ftruncate64(int fd, off64_t size) {
	int error = due_fd("truncate", fd, "");
	return error ? fail(error) : NEXT("ftruncate64", int, int, off64_t)(fd, size);
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int rename(const char *from, const char *to) {
	char where[PATH_MAX + 2];
	const char *name = name_of(from);
	snprintf(where, sizeof where, " %s", name ? name : from);
	int error = due("rename", to, where);
	return error ? fail(error) : NEXT("rename", int, const char *, const char *)(from, to);
}

int unlink(const char *file) {
	/* What is not there is not removed. */
	int error = access(file, F_OK) == 0 ? due("unlink", file, "") : 0;
	return error ? fail(error) : NEXT("unlink", int, const char *)(file);
}

int mkdir(const char *folder, mode_t mode) {
	/* What is there is not made. */
	int error = access(folder, F_OK) != 0 ? due("mkdir", folder, "") : 0;
	return error ? fail(error) : NEXT("mkdir", int, const char *, mode_t)(folder, mode);
}

static void note_reached(const char *how) {
	pthread_mutex_lock(&lock);
	note("serves", "passes", how, "");
	pthread_mutex_unlock(&lock);
}

int bind(int fd, __CONST_SOCKADDR_ARG address, socklen_t size) {
	int type = 0;
	socklen_t length = sizeof type;
	int family = address.__sockaddr__->sa_family;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type == SOCK_DGRAM || family == AF_UNIX)
		note_reached("bind");
	return NEXT("bind", int, int, __CONST_SOCKADDR_ARG, socklen_t)(fd, address, size);
}

int accept4(int fd, __SOCKADDR_ARG address, socklen_t *size, int flags) {
	note_reached("accept");
	return NEXT("accept4", int, int, __SOCKADDR_ARG, socklen_t *, int)(fd, address, size, flags);
}
