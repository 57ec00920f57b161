# Draws a spool file of detailed latency: each record over the time it ended at.
#
#   gnuplot -e "spool='FILE'; picture='FILE.svg'" latency.gp
#
# A write is a bar of its three parts, one above the other. A read has a point for the wait for its turn and the
# receive call, and one for what user code made of it. Names, connects and TLS are a point each.

if (!exists("spool")) spool = "lws-latency"
if (!exists("picture")) picture = "lws-latency.svg"

set terminal svg size 900,480 font "sans-serif,12" background "white"
set output picture
set key outside top center horizontal
set xlabel "ms since the first record"
set ylabel "us"
set logscale y
set yrange [1:*]
set grid ytics lc rgb "#dddddd"

stats spool using 1 nooutput
began = STATS_min
at(t) = (t - began) / 1000.0
# a record's own, and nothing of the others; what took no measurable time is drawn at the bottom
of(letter, value) = (strcol(2) eq letter) ? (value < 1 ? 1 : value) : NaN

plot spool using (at($1)):(of("N", $3)) with points pt 7 ps 0.6 lc rgb "#7b3294" title "name", \
     spool using (at($1)):(of("C", $3)) with points pt 7 ps 0.6 lc rgb "#2166ac" title "connect", \
     spool using (at($1)):(of("t", $3)) with points pt 7 ps 0.6 lc rgb "#b2182b" title "TLS, client", \
     spool using (at($1)):(of("T", $3)) with points pt 7 ps 0.6 lc rgb "#ef8a62" title "TLS, server", \
     spool using (at($1)):(of("w", $6)) with impulses lw 1 lc rgb "#fdae61" title "write: the write", \
     spool using (at($1)):(of("w", $3 + $4)) with impulses lw 1 lc rgb "#1a9641" title "in the callback", \
     spool using (at($1)):(of("w", $3)) with impulses lw 1 lc rgb "#999999" title "waited for", \
     spool using (at($1)):(of("r", $6)) with points pt 7 ps 0.3 lc rgb "#4393c3" title "read", \
     spool using (at($1)):(of("r", $7)) with points pt 6 ps 0.4 lc rgb "#000000" title "its callbacks"
