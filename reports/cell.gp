# Blocks 0-2: turns of base, base2, head; 3: process starts; 4-6: distributions. T[1]: label of time.
array T[1]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
array L[3] = ["base", "base again", "head"]
array Q[3] = [1, 6, 2]
set multiplot
set lmargin at screen 0.09
set rmargin at screen 0.98
set bmargin at screen 0.56
set tmargin at screen 0.92
set xrange [-1:ROUNDS]
set yrange [LOW:HIGH]
set xlabel "round" offset 0,0.5
set ylabel T[1]
set key at graph 1, graph 1.02 right bottom horizontal maxrows 1 samplen 0.8 width -1
plot DATA index 3 using 1:(LOW):(0):(HIGH - LOW) with vectors nohead linecolor rgb faint linewidth 1 notitle, \
     for [i = 0:2] DATA index i using 1:2 with points pointtype P[i + 1] pointsize 0.55 linecolor rgb C[Q[i + 1]] title L[i + 1]
set bmargin at screen 0.10
set tmargin at screen 0.46
set xrange [LOW:HIGH]
set yrange [0:1]
set ytics 0.25 format "%.2f"
set xlabel T[1]
set ylabel "share of turns"
unset key
plot DATA index 4 using 1:2 with steps linewidth 2 linecolor rgb C[Q[1]] notitle, \
     DATA index 5 using 1:2 with steps linewidth 2 dashtype 2 linecolor rgb C[Q[2]] notitle, \
     DATA index 6 using 1:2 with steps linewidth 2 linecolor rgb C[Q[3]] notitle
unset multiplot
set output
