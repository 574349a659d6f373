SELECT device,
       temprature FROM readings;
