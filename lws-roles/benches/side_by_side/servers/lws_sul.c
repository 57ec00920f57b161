/*
 * What timers of C libwebsockets (lws_sul) cost as their number grows. One JSON object per population, in nanoseconds per operation; with the argument "precision", how
 * late they come instead.
 * server/src/timers.rs measures the same of this library.
 */
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PRECISION_RUNS 500

static unsigned int fired;
static double fired_at;
static struct lws_context *cx;

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void on_timer(lws_sorted_usec_list_t *sul)
{
	fired++;
}

static void on_precise(lws_sorted_usec_list_t *sul)
{
	fired_at = now_ns();
	fired++;
	lws_cancel_service(cx); /* it would sleep on after the last timer */
}

static unsigned long rnd(void)
{
	static unsigned long x = 88172645463325252ul;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static lws_usec_t random_delay(void)
{
	return (lws_usec_t)(60 + rnd() % 3600) * LWS_US_PER_SEC + (lws_usec_t)(rnd() % LWS_US_PER_SEC);
}

static int latest_first(const void *a, const void *b)
{
	lws_usec_t x = *(const lws_usec_t *)a, y = *(const lws_usec_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y ? 1 : 0;
}

static void population(unsigned int n)
{
	/* an insertion walks the list: fewer of them where it is long */
	unsigned int i, ops = n >= 1000000 ? 3 : n >= 100000 ? 20 : n >= 10000 ? 200 : 5000;
	unsigned int k, batch = n / 10 < ops ? n / 10 : ops;
	lws_sorted_usec_list_t *s = calloc(n + ops, sizeof(*s)), **order = calloc(n, sizeof(*order));
	lws_usec_t *d = calloc(n, sizeof(*d));
	double t, schedule, move, postpone, cancel, expire;

	if (!s || !order || !d)
		exit(1);
	/* filled from the latest deadline down: every insertion is at the head */
	for (i = 0; i < n; i++)
		d[i] = random_delay();
	qsort(d, n, sizeof(*d), latest_first);
	for (i = 0; i < n; i++)
		order[i] = &s[i];
	for (i = n - 1; i > 0; i--) { /* memory order independent of deadline order */
		unsigned int j = (unsigned int)(rnd() % (i + 1));
		lws_sorted_usec_list_t *x = order[i];

		order[i] = order[j];
		order[j] = x;
	}
	for (i = 0; i < n; i++)
		lws_sul_schedule(cx, 0, order[i], on_timer, d[i]);

	/* in batches, so that the population stays what it is said to be */
	schedule = 0;
	for (k = 0; k < ops; k += batch) {
		t = now_ns();
		for (i = 0; i < batch; i++)
			lws_sul_schedule(cx, 0, &s[n + i], on_timer, random_delay());
		schedule += now_ns() - t;
		for (i = 0; i < batch; i++)
			lws_sul_cancel(&s[n + i]);
	}
	schedule /= k;

	t = now_ns();
	for (i = 0; i < ops; i++)
		lws_sul_schedule(cx, 0, &s[rnd() % n], on_timer, random_delay());
	move = (now_ns() - t) / ops;

	/* the usual case of connection timeouts: always the latest deadline */
	t = now_ns();
	for (i = 0; i < ops; i++)
		lws_sul_schedule(cx, 0, &s[rnd() % n], on_timer, 7200 * LWS_US_PER_SEC);
	postpone = (now_ns() - t) / ops;

	t = now_ns();
	for (i = 0; i < n; i++)
		lws_sul_cancel(order[i]);
	cancel = (now_ns() - t) / n;

	/* scheduling walks the list when the clock overtakes it: not with many */
	fired = 0;
	for (i = 0; i < n && n <= 10000; i++)
		lws_sul_schedule(cx, 0, order[i], on_timer, 2 * (lws_usec_t)(n - i));
	usleep(2 * n + 1000); /* all are due: what the timers themselves cost */
	t = now_ns();
	while (fired < i)
		lws_service(cx, -1);
	expire = (now_ns() - t) / n;

	printf("{\"timers\":%u,\"schedule_ns\":%.1f,\"move_ns\":%.1f,\"postpone_ns\":%.1f,"
	       "\"cancel_ns\":%.1f", n, schedule, move, postpone, cancel);
	if (i)
		printf(",\"expire_ns\":%.1f", expire);
	printf("}\n");
	fflush(stdout);
	free(s);
	free(d);
	free(order);
}

/* one timer at a time, none of them a whole number of milliseconds away */
static void precision(void)
{
	static double late[PRECISION_RUNS];
	lws_sorted_usec_list_t sul;
	unsigned int i;

	memset(&sul, 0, sizeof(sul));
	for (i = 0; i < PRECISION_RUNS; i++) {
		lws_usec_t after = 1150 + i * 7;
		double began = now_ns();

		fired = 0;
		lws_sul_schedule(cx, 0, &sul, on_precise, after);
		while (!fired)
			lws_service(cx, 0);
		late[i] = (fired_at - began) / 1000 - (double)after;
	}
	qsort(late, PRECISION_RUNS, sizeof(*late), ascending);
	printf("{\"late_p50_us\":%.1f,\"late_p99_us\":%.1f}\n", late[PRECISION_RUNS / 2],
	       late[PRECISION_RUNS * 99 / 100]);
}

int main(int argc, char **argv)
{
	static const unsigned int sizes[] = { 100, 1000, 10000, 100000, 1000000 };
	struct lws_context_creation_info info;
	unsigned int k;

	lws_set_log_level(LLL_ERR, NULL);
	memset(&info, 0, sizeof(info));
	info.port = CONTEXT_PORT_NO_LISTEN;
	cx = lws_create_context(&info);
	if (!cx)
		return 1;
	if (argc > 1 && !strcmp(argv[1], "precision"))
		precision();
	else
		for (k = 0; k < sizeof(sizes) / sizeof(*sizes); k++)
			population(sizes[k]);
	lws_context_destroy(cx);
	return 0;
}
