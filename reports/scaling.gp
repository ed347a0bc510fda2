# Speed-up over threads. Columns: threads, speed-up. T: names of series.
array T[SERIES]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
set xtics (1)
unset xtics
set for [i = 1:words(TICS)] xtics add (word(TICS, i) word(TICS, i) + 0) nomirror out textcolor rgb ink
set xlabel "threads"
set ylabel "speed-up over one thread"
set xrange [0.8:THREADS + 0.2]
set yrange [0:*]
set key outside right center vertical samplen 2.5
plot x with lines dashtype 3 linewidth 1 linecolor rgb ink title "perfect", \
     for [i = 0:SERIES - 1] DATA index i using 1:2 with linespoints linewidth 2 pointtype shape(i) linecolor rgb colour(i) title T[i + 1]
set output
