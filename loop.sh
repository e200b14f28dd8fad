. /tmp/formats7/env.sh
names="$(grep -A1 '^@reg' /tmp/formats7/tfl7.py | grep -o 'def [a-z_0-9]*' | cut -c5- | grep -v '^lstm_int8$\|^cnn_int8$')"
while [ -n "$names" ]; do
  $PY /tmp/formats7/tfl7.py $names 2>/dev/null | grep " ok$\| FAIL " > /tmp/formats7/tfl.out; cat /tmp/formats7/tfl.out
  done_=$(cut -d' ' -f1 /tmp/formats7/tfl.out | tr '\n' ' '); rest=""; for n in $names; do case " $done_ " in *" $n "*) ;; *) rest="$rest $n";; esac; done
  set -- $rest; [ $# -gt 0 ] && { echo "$1 DIED"; shift; }; names="$*"
done
