/* Threads that end late: for LD_PRELOAD in front of the C library. What libcrypto wants done at the end of a thread begins at once and
 * takes a while; both its beginning and its end are told on standard error. A process that ends meanwhile takes away what that uses. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static void (*whole)(void *);

static void say(const char *words) {
	if (write(2, words, strlen(words)) < 0)
		_exit(1);
}

static void late(void *value) {
	say("libcrypto: parting\n");
	usleep(200000);
	whole(value);
	say("libcrypto: parted\n");
}

int pthread_key_create(pthread_key_t *key, void (*end)(void *)) {
	int (*next)(pthread_key_t *, void (*)(void *)) =
		(int (*)(pthread_key_t *, void (*)(void *)))dlsym(RTLD_NEXT, "pthread_key_create");
	Dl_info where;
	if (end && !whole && dladdr((void *)end, &where) && where.dli_fname && strstr(where.dli_fname, "libcrypto")) {
		whole = end;
		end = late;
	}
	return next(key, end);
}
