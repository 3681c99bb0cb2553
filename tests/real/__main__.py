from tests.real.run import main

main()
