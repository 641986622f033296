# What scripts say that look at an image from inside of it: is NAME WANTED FOUND. The test reads these lines on the console.
is() {
    local name=$1 wanted=$2 found=$3
    if [ "$found" = "$wanted" ]; then echo "customization ok: $name"; else echo "customization not: $name is ${found@Q}, not ${wanted@Q}"; fi
}
